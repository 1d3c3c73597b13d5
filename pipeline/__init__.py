"""The machinery of xlner: schema, configuration, stages, runner, artifacts, engines and formats.

Nothing in this package imports from ``stages``; stages are found through :mod:`pipeline.registry`.
"""
