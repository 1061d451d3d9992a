"""Finds updates of a commit that reported an error but was stored.

After an error of COMMIT, the commit may still be in the WAL and become visible when the file is reopened. Its request
was refused, so the aggregator posts again and gets "duplicate". If these updates were not announced after reopening,
nobody would push them before the next restart.
"""

from trackpush_server.journal.model import Committed, NewPush, NewUpdate, PushState
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.connection import SqliteConnection


def unannounced(connection: SqliteConnection, sealer: Sealer, first: int, last: int) -> list[Committed]:
    """The stored updates in this range of ids, as their commit would have announced them.

    Leaves out an update whose encryption key was removed since: it stays pending on disk until the next restart.
    """
    found = []
    for update_id, key, account, received_at, occurred_at, *rest in connection.execute(sql.UNANNOUNCED, (first, last)):
        shipment, awb, forward_awb, order_id, status, notification, body, trace = rest
        payload = sealer.payload(key=key, notification=notification, body=body)
        if payload.unreadable is not None:
            continue
        pushes = connection.execute(sql.PUSHES_OF, (update_id,)).fetchall()
        update = NewUpdate(
            key=key,
            account=account,
            received_at=received_at,
            occurred_at=occurred_at,
            shipment=shipment,
            awb=awb,
            forward_awb=forward_awb,
            order_id=order_id,
            status=status,
            notification=payload.notification,
            body=payload.body,
            pushes=tuple(NewPush(name, state == PushState.DROPPED) for name, _, state in pushes),
            trace=trace,
        )
        late = tuple(name for name, is_late, _ in pushes if is_late)
        dropped = tuple(name for name, _, state in pushes if state == PushState.DROPPED)
        found.append(Committed(update_id, update, late, dropped))
    return found
