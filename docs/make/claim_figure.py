"""The figure of the way that a claim takes from the client to an issued coupon."""

from docs.make.drawing import BLUE, GREEN, GREY, ORANGE, Box, Drawing

WIDTH, LEFT, HIGH = 180, 6, 48
STEP = 98


def render() -> str:
    """The figure as SVG."""
    drawing = Drawing(480, 570, "The way of a claim: from the client to an issued coupon")
    client, api, ledger, connect, kafka, consumer = (
        drawing.box(Box(LEFT, 6 + STEP * number, WIDTH, HIGH), lines, fill)
        for number, (lines, fill) in enumerate(
            (
                (["Client"], GREY),
                (["API", "Flask"], BLUE),
                (["Postgres", "the ledger: the truth"], GREEN),
                (["Debezium", "on Kafka Connect"], GREY),
                (["Kafka", "topic of 10 partitions"], GREY),
                (["CDC consumer"], BLUE),
            )
        )
    )
    gate = drawing.box(Box(300, api.y, 174, HIGH), ["Redis", "the gate: can be rebuilt"], ORANGE)
    reconciler = drawing.box(Box(300, ledger.y + 8, 110, 32), ["Reconciler"], BLUE)
    _down(drawing, client, api, "1  HTTP")
    _down(drawing, api, ledger, "3  INSERT, commit, then 202")
    _down(drawing, ledger, connect, "4  write-ahead log")
    _down(drawing, connect, kafka, "5  change event")
    _down(drawing, kafka, consumer, "6  up to 500 a batch")
    _admit(drawing, api, gate)
    drawing.arrow((reconciler.x + 45, reconciler.y), (reconciler.x + 45, gate.bottom))
    drawing.text(reconciler.x + 53, (reconciler.y + gate.bottom) / 2 + 5, "repairs", pale=True)
    drawing.arrow((reconciler.x, reconciler.middle[1]), (ledger.right, reconciler.middle[1]))
    drawing.text(243, reconciler.middle[1] - 6, "reads", "middle", pale=True)
    _issue(drawing, consumer, ledger)
    _mark(drawing, consumer, gate)
    return drawing.render()


def _down(drawing: Drawing, upper: Box, lower: Box, label: str) -> None:
    x = upper.x + 30
    drawing.arrow((x, upper.bottom), (x, lower.y))
    drawing.text(x + 10, (upper.bottom + lower.y) / 2 + 5, label, pale=True)


def _admit(drawing: Drawing, api: Box, gate: Box) -> None:
    y = api.middle[1]
    drawing.arrow((api.right, y), (gate.x, y))
    drawing.text((api.right + gate.x) / 2, y - 7, "2  admit (Lua)", "middle", pale=True)


def _issue(drawing: Drawing, consumer: Box, ledger: Box) -> None:
    x, y = 246, consumer.middle[1] - 10
    drawing.arrow(
        (consumer.right, y), (x, y), (x, ledger.bottom - 6), (ledger.right, ledger.bottom - 6)
    )
    for number, line in enumerate(("7  issue within the", "total, in one", "transaction")):
        drawing.text(x + 8, ledger.bottom + 84 + 17 * number, line, pale=True)


def _mark(drawing: Drawing, consumer: Box, gate: Box) -> None:
    x, y = 452, consumer.middle[1] + 12
    drawing.arrow((consumer.right, y), (x, y), (x, gate.bottom))
    for number, line in enumerate(("8  mark ISSUED, only", "after that commit")):
        drawing.text(280, y - 24 + 17 * number, line, pale=True)
