"""How well speech is written down, by condition and by the models of each stage; what the pipeline costs beside its models."""
