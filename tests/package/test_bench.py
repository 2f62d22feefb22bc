"""What the bench says of the package: that it can be measured, and what does not depend on the machine's speed."""

import pytest

from sandbox.bench import package
from sandbox.bench.__main__ import package_figures, package_table
from sandbox.bench.lines import Lines
from sandbox.stack import CHECKOUT, stack
from tests.package.conftest import Built


@pytest.mark.timeout(240)
@pytest.mark.asyncio
async def test_the_package_is_measured_beside_all_that_is_installed(built: Built) -> None:
    log = Lines()
    async with stack(app=False, on_line=log.heard) as up:
        await up.servicenow.put("/_sim/webhook", {"url": ""})
        found = await package.measure(up, log, built.zip, 1)
        assert (up.installation, up.hosts) == (CHECKOUT, [])
    everything, with_byte_code, packaged = (found[name] for name in ("everything", "everythingWithByteCode", "package"))
    assert packaged.zip == built.zip.stat().st_size
    assert packaged.unpacked == sum(file.stat().st_size for file in built.app.rglob("*") if file.is_file())
    assert with_byte_code.zip is None
    assert everything.zip is not None
    assert everything.zip > 2 * packaged.zip
    assert everything.unpacked + 5_000_000 < with_byte_code.unpacked
    for one in found.values():
        assert 0 < one.cold.ready < one.cold.answered < one.cold.done
    assert everything.cold.done > max(with_byte_code.cold.done, packaged.cold.done)
    figures = package_figures(found)
    assert figures["everything"]["ratio"] == {"ready": 1, "answered": 1, "done": 1}
    assert figures["package"]["ratio"]["done"] == packaged.cold.done / everything.cold.done
    assert package_table(found).row_count == len(found)
