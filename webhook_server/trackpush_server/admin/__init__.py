"""The admin port: health, metrics and the loaded configuration. Private, never the public port."""
