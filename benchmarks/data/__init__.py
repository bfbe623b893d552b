"""What a data check finds of what was planted, and what it costs."""
