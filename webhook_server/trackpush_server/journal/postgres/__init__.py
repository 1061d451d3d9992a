"""The PostgreSQL adapter: several servers share one journal."""
