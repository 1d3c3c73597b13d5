"""The stages of the pipeline, one package each; found through pipeline.registry."""
