"""How small models are made from plain text: the encoder and the translator that ship.

Two stages of their own, which a config names under ``stages`` and nothing else needs. They are
known by their entry points (``xlner.stages``), as those of any other package are, and run by the
runner: resumable, with manifests, checked before anything is loaded.
"""
