"""What the two recipes share: reading text, batching, checkpoints, the loop.

Nothing here is a stage. `model_recipes.encoder` and `model_recipes.translator` build on it.
"""
