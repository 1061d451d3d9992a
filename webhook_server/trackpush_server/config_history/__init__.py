"""The history of the configuration: which resources changed, when and how, without secret values.

docs/config-history.md describes it for users.
"""
