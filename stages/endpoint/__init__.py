"""Language models behind an HTTP endpoint that speaks OpenAI's protocol, named by a model folder.

A folder with ``endpoint.json`` stands where another model folder would: as translator, as tagger
from elsewhere, as language model of the maker ``generation``. Nothing is asked of any server
unless a configuration names such a folder.
"""
