"""The admin API, version 1: what programs ask of a running server. Described by its own OpenAPI document."""
