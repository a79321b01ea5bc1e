"""Draw ``tui/console.svg``, the picture in the README: the Overview over a scripted host.

Run it from the root of the checkout after a change of the screen: ``python -m tests.support.make_console_picture``.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.support.console_doubles import ScriptedHost, universal_host
from tests.support.screens import open_console
from tui.widgets.service_table import ServiceTable

PICTURE = Path(__file__).resolve().parents[2] / "tui" / "console.svg"
SIZE_CELLS = (100, 30)
LOG = (
    "2026-11-20T14:00:58.120000Z [info     ] engine loaded [streaming-asr] engine=embedded languages=en",
    "2026-11-20T14:00:59.402000Z [info     ] Ready to serve! [streaming-asr]",
    "2026-11-20T14:01:10.871000Z [info     ] stream opened [streaming-asr] open_streams=1",
    "2026-11-20T14:01:44.005000Z [warning  ] worker replaced [streaming-asr] exit_code=-9",
    "2026-11-20T14:02:03.310000Z [info     ] stream opened [streaming-asr] open_streams=3",
)


async def draw() -> None:
    """Write the picture."""
    host = ScriptedHost(universal_host())
    host.log("streaming-asr-english").feed(*LOG)
    async with open_console(host, SIZE_CELLS) as console:
        table = console.app.screen.query_one(ServiceTable)
        table.move_cursor(row=table.get_row_index("streaming-asr-english"))
        await console.shows("open_streams=3")
        await console.shows("q Quit")
        drawing = console.app.export_screenshot(title="aai-console")
    # The library's drawing loads fonts from the network; any monospaced one will do.
    PICTURE.write_text(re.sub(r"\s*@font-face \{.*?\}", "", drawing, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(draw())
