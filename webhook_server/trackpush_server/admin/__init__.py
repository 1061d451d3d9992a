"""The admin port: health, metrics, the admin API and the console. It is private, and separate from the public port."""
