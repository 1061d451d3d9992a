"""The admin API, version 1, for programs. Its OpenAPI document describes it."""
