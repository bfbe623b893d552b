"""What a pipeline costs beside the models in it."""
