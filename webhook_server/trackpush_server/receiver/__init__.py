"""The receiver: stores the tracking updates in aggregators' HTTP requests, or answers why it does not."""
