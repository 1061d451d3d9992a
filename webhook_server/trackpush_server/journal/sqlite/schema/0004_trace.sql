-- Tracing: the span that received the update, as a W3C traceparent; null while tracing is off.
ALTER TABLE updates ADD COLUMN trace TEXT;
