-- What terms replaces; before this change, the terms of all updates are stored (`schema.migrate`).
DROP INDEX pushes_by_state;
DROP INDEX updates_by_key;
DROP INDEX updates_by_shipment;
DROP INDEX updates_by_awb;
DROP INDEX updates_by_forward_awb;
DROP INDEX updates_by_order;
DROP INDEX updates_by_status;
