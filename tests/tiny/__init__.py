"""What tests are made of: tiny models with random weights and real tokenizers, toy text.

``text`` has the sentences, ``encoders`` and ``translators`` the models, each in a local folder with
the files, configuration and special tokens of its family, as from the hub.
"""
