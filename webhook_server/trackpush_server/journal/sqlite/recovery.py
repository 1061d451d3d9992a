"""What a failed commit left behind.

An error of COMMIT doesn't tell whether the commit took place: the log may hold it, and opening the file again brings
it back. Its request was refused, so the aggregator posts again and gets "duplicate". Nobody would push the update
before the next restart, if it were not announced now.
"""

from trackpush_server.journal.model import Committed, NewPush, NewUpdate, PushState
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.connection import SqliteConnection


def unannounced(connection: SqliteConnection, sealer: Sealer, first: int, last: int) -> list[Committed]:
    """The updates in this range of ids, as their commit would have announced them.

    One whose key was taken away within the moment since is left out: it is pending on disk, and told at the restart.
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
