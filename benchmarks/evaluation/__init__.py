"""What evaluation says of what is known: people's level in simulation, planted slices, and the cost of a million rows."""
