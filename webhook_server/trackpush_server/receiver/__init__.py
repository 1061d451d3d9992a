"""The receiver: HTTP in. One aggregator's request becomes stored tracking updates, or an answer that says why not."""
