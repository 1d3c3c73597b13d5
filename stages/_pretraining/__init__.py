"""What the two stages that make models share: reading text, batching, checkpoints, the loop.

Nothing here is a stage. `stages.pretrain_encoder` and `stages.train_translator` build on it.
"""
