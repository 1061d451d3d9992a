-- needs: 1
-- Each replica publishes its lease, so that the others judge it by that and not by their own: the option may change from one replica to
-- the next. Null: of a version that does not publish it.
ALTER TABLE trackpush.replicas ADD COLUMN lease_seconds double precision;
