"""`trackpush aggregators`: lists, tests, tries and drafts AggregatorDefinitions."""
