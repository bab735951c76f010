"""Every view in a real browser: what is drawn is what is there, a choice is seen everywhere, no other is asked."""

import csv
import io
import json
from pathlib import Path

import chromium
import msgspec
import numpy as np
import pytest
from PIL import Image
from stub_runs import pool, stub_run
from viewer_runs import measures
from viewer_site import serving

from evonet.genome.text import load
from evonet.job import Job, Scored
from evonet.package import unpack
from evonet.plan import expand
from evonet.plan.fit import fit
from evonet.plan.masks import mask, signs, slots
from evonet.report import tables
from evonet.report.viewer.assemble import part
from evonet.report.viewer.details import plan_data
from evonet.report.viewer.genes import FEATURES
from evonet.store import RunWriter

VIEWS = ("overview", "front", "generations", "table", "lineage", "individual", "diff", "atlas", "failures")
SCORED = 20
GENOMES = Path(__file__).parents[3] / "genomes"


@pytest.fixture(params=["report", "served", "binned"])
def page(request, driver, report, site, binned):
    """The three ways in which the page gets its data; loaded afresh."""
    driver.get_log("browser")
    chromium.requests(driver)
    address = {"report": report.as_uri(), "served": site.address, "binned": binned.address}[request.param]
    chromium.size(driver, 1280, 800)
    chromium.open_page(driver, address)
    return request.param


@pytest.fixture(scope="module")
def filtered():
    return {}


def drawn(driver, view, **state):
    """Go to a view and wait until it has drawn what it asked for."""
    chromium.go(driver, view=view, **state)
    conditions = {
        "front": "document.getElementById('points')?.dataset.drawn !== undefined",
        "generations": "document.querySelector('canvas[data-generations]') !== null",
        "table": "document.querySelector('.grid').dataset.total !== undefined",
        "lineage": "document.querySelector('[data-rows]') !== null",
        "individual": "document.querySelector('main [data-of]') !== null",
        "diff": "document.querySelector('main [data-a]') !== null",
        "atlas": "document.querySelector('[data-cells]') !== null",
        "failures": "document.querySelector('[data-failed]') !== null",
        "overview": "document.querySelector('.cards') !== null",
    }
    chromium.until(driver, f"return {conditions[view]}")
    for _ in range(2):
        chromium.settle(driver)


def data(driver, selector, name):
    return driver.execute_script("return document.querySelector(arguments[0]).dataset[arguments[1]]", selector, name)


def test_every_view_draws_what_there_is(page, driver, opened):
    drawn(driver, "front", id=20)
    assert int(data(driver, "#points", "drawn")) == SCORED
    assert data(driver, "#points", "selected") == "20"
    drawn(driver, "generations")
    assert int(data(driver, "canvas[data-generations]", "generations")) == 4
    chromium.until(driver, "return document.querySelectorAll('.strip circle').length > 0")
    assert len(driver.execute_script("return [...document.querySelectorAll('.strip circle')]")) == 5
    drawn(driver, "table")
    assert data(driver, ".grid", "total") == "24"
    assert int(data(driver, ".grid", "shown")) >= 20
    drawn(driver, "lineage")
    assert int(data(driver, "[data-rows]", "rows")) == len(opened.lineage(20))
    drawn(driver, "atlas")
    cells = int(data(driver, "[data-cells]", "cells"))
    counts = driver.execute_script(
        "return [...document.querySelectorAll('[data-cells] g text')].map(t => Number(t.textContent))"
    )
    assert (len(counts), sum(counts)) == (cells, SCORED)
    drawn(driver, "failures")
    assert data(driver, "[data-failed]", "failed") == "3"
    assert len(driver.execute_script("return [...document.querySelectorAll('[data-decision]')]")) == 3
    drawn(driver, "overview")
    assert len(driver.execute_script("return [...document.querySelectorAll('tr[data-id]')]")) == 12


def test_the_masks_drawn_are_those_of_the_plan(page, driver, opened):
    drawn(driver, "individual", id=20)
    package = unpack(opened.package(20))
    plan = expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)
    chromium.until(driver, "return [...document.querySelectorAll('canvas.mask')].every(c => c.dataset.ones)")
    ones = driver.execute_script(
        "return [...document.querySelectorAll('canvas.mask')].map(c => Number(c.dataset.ones))"
    )
    assert ones == [int(mask(stage).sum()) for stage in plan.stages]
    taps = driver.execute_script(
        "return [...document.querySelectorAll('.stage svg[data-taps]')].map(s => Number(s.dataset.taps))"
    )
    assert taps == [len(stage.taps) for stage in plan.stages]
    assert int(data(driver, "svg[data-rounds]", "rounds")) == 6
    assert int(data(driver, "svg[data-sheets]", "sheets")) == len(plan.sheets)


@pytest.mark.parametrize("name", sorted(p.stem for p in GENOMES.glob("*.toml")))
def test_every_form_of_wiring_is_that_of_the_plan(driver, name):
    # The page's own connect() against plan.masks: pairs, weight indices and signs of every connection.
    shape = {"sequence": (1, 1, 24), "lenet5": (1, 16, 16)}.get(name, (1, 10, 10))
    genome = fit(load(GENOMES / f"{name}.toml"), input=shape)
    plan = expand(genome, input=shape, classes=10)
    told = json.loads(msgspec.json.encode(plan_data(genome, plan, None, None)["stages"]))
    script = part("js/wiring.js").split("// Mean |weight|")[0] + (
        "return arguments[0].map(s => { let out = []; connect(s, (...c) => out.push(...c.slice(0, 4))); return out; })"
    )
    for stage, found in zip(plan.stages, driver.execute_script(script, told), strict=True):
        target, source, index, sign = np.array(found, dtype=int).reshape(-1, 4).T
        drawn_mask, drawn_slots, drawn_signs = (np.full(mask(stage).shape, v) for v in (False, -1, 0))
        drawn_mask[target, source] = True
        np.testing.assert_array_equal(drawn_mask, mask(stage), err_msg=stage.name)
        if stage.weight is not None:
            drawn_slots[target, source], drawn_signs[target, source] = index, sign
            np.testing.assert_array_equal(drawn_slots, slots(stage), err_msg=stage.name)
            np.testing.assert_array_equal(drawn_signs, signs(stage), err_msg=stage.name)


def test_a_choice_is_seen_everywhere_and_stays_in_the_address(page, driver):
    drawn(driver, "table")
    driver.execute_script("document.querySelector('tr[data-id=\"13\"]').click()")
    chromium.until(driver, "return document.querySelector('#side h1').textContent.startsWith('#13')")
    assert "id=13" in driver.current_url
    for view, selector, name, value in (
        ("front", "#points", "selected", "13"),
        ("lineage", "main [data-of]", "of", "13"),
        ("individual", "main [data-of]", "of", "13"),
        ("diff", "main [data-a]", "a", "13"),
    ):
        drawn(driver, view)
        assert data(driver, selector, name) == value
    driver.execute_script("document.querySelector('#side a[data-pick]').click()")
    chromium.until(driver, "return document.querySelector('#side h1').textContent.startsWith('#7')")
    address = driver.current_url
    chromium.open_page(driver, address)
    chromium.until(driver, "return document.querySelector('#side h1')?.textContent.startsWith('#7')")


def test_the_filter_holds_in_all_views(page, driver, filtered):
    drawn(driver, "table", f="bytes<300 state:scored")
    few = int(data(driver, ".grid", "total"))
    assert 0 < few < SCORED
    drawn(driver, "front")
    assert int(data(driver, "#points", "drawn")) == few
    drawn(driver, "atlas")
    counts = driver.execute_script(
        "return [...document.querySelectorAll('[data-cells] g text')].map(t => Number(t.textContent))"
    )
    assert sum(counts) == few
    totals = {}
    for feature in FEATURES[::5]:
        drawn(driver, "table", f=f"gene:{feature}")
        totals[feature] = int(data(driver, ".grid", "total"))
    assert any(0 < n < 24 for n in totals.values())
    filtered[page] = (few, totals)
    assert len({json.dumps(v) for v in filtered.values()}) == 1  # the page and the server filter alike


def test_a_brush_becomes_a_filter(page, driver):
    drawn(driver, "front")
    from selenium.webdriver import ActionChains

    points = driver.find_element("id", "points")
    ActionChains(driver).move_to_element_with_offset(points, -300, -150).click_and_hold().move_by_offset(
        300, 250
    ).release().perform()
    chromium.until(driver, "return document.getElementById('filter').value.includes('bytes>=')")
    chromium.until(driver, f"return Number(document.getElementById('points').dataset.drawn) < {SCORED}")


def test_sorting_and_keys(page, driver):
    from selenium.webdriver import ActionChains

    drawn(driver, "table")
    for button in driver.execute_script("return [...document.querySelectorAll('.grid th button')]"):
        if button.text.startswith("bytes"):
            button.click()
            break
    chromium.until(driver, "return document.querySelector('[aria-sort] button')?.textContent.startsWith('bytes')")
    column = (
        "const k = [...document.querySelectorAll('.grid th')].findIndex(t => t.ariaSort); "
        "const v = [...document.querySelectorAll('.grid tr[data-id]')]"
        ".map(r => parseInt(r.cells[k].textContent.replace(',', '')))"
    )
    chromium.until(driver, f"{column}; return v.length === 24 && v.every((x, i) => !i || !(x < v[i - 1]))")
    numbers = [v for v in driver.execute_script(f"{column}; return v") if v is not None]
    assert numbers == sorted(numbers)
    assert len(numbers) == SCORED
    driver.execute_script("document.querySelector('.grid').focus()")
    ActionChains(driver).send_keys("\ue015").pause(0.1).send_keys("\ue015").perform()  # arrow down
    chromium.until(driver, "return document.querySelectorAll('.grid tr.on').length === 1")
    driver.execute_script("document.activeElement.blur()")
    for key, view in zip("123456789", VIEWS, strict=True):
        ActionChains(driver).send_keys(key).perform()
        chromium.until(driver, f"return document.querySelector('nav [aria-current]').textContent === '{view}'")
    ActionChains(driver).send_keys("b").perform()
    chromium.until(driver, "return /^#2[01]/.test(document.querySelector('#side h1').textContent)")


def test_nothing_in_the_run_is_more_than_text(page, driver):
    before = driver.execute_script("return document.scripts.length")
    for view in VIEWS:
        for id in (8, 12) if view in ("overview", "lineage", "individual") else (20,):
            drawn(driver, view, id=id)
    assert driver.execute_script("return window.pwned") is None
    assert driver.execute_script("return document.scripts.length") == before
    assert (
        driver.execute_script(
            "return document.querySelectorAll(arguments[0]).length",
            "main img, main iframe, main style, main script, [onerror], [onload]",
        )
        == 0
    )
    assert driver.execute_script(
        "return [...document.links].every(a => a.protocol === location.protocol && !a.host.includes('evil'))"
    )
    said = [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
    assert said == []
    drawn(driver, "failures")
    assert "<script>window.pwned=1</script>" in driver.execute_script(
        "return document.querySelector('main').textContent"
    )


def test_no_request_goes_anywhere_else(page, driver, report, site, binned):
    for view in VIEWS:
        drawn(driver, view, id=20)
    home = {
        "report": report.as_uri(),
        "served": f"http://127.0.0.1:{site.port}/",
        "binned": f"http://127.0.0.1:{binned.port}/",
    }[page]
    asked = [address for address in chromium.requests(driver) if not address.startswith(("data:", "about:", "blob:"))]
    assert asked
    assert all(address.startswith(home) for address in asked), asked
    if page == "report":
        assert {address.partition("#")[0] for address in asked} == {home}


def test_a_damaged_genome_still_shows_what_is_known(page, driver):
    drawn(driver, "individual", id=12)
    text = driver.execute_script("return document.querySelector('main').textContent")
    assert "cannot be expanded" in text or "Only the genes" in text
    assert driver.execute_script("return document.querySelector('#side h1').textContent").startswith("#12")


def test_pictures_are_not_blank_in_light_and_dark(driver, report):
    chromium.open_page(driver, report.as_uri())
    chromium.size(driver, 1280, 800)
    for theme in ("light", "dark"):
        driver.execute_script("document.documentElement.dataset.chosen = arguments[0]; localStorage.clear()", theme)
        driver.execute_script(
            "const is = document.documentElement.dataset.theme; "
            "if (is !== arguments[0]) document.querySelector('#head button').click()",
            theme,
        )
        for view in VIEWS if theme == "light" else VIEWS[1::2]:
            drawn(driver, view, id=20)
            image = np.asarray(
                Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("L").crop((20, 90, 980, 780))
            )
            assert image.std() > 3, (theme, view)
            assert (image.mean() > 128) == (theme == "light"), (theme, view)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits(driver, report, width):
    chromium.size(driver, width, 800)
    chromium.open_page(driver, report.as_uri())
    for view in VIEWS:
        drawn(driver, view, id=20)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width, view
    chromium.size(driver, 1280, 800)


def test_everything_has_a_name(driver, report):
    chromium.open_page(driver, report.as_uri())
    for view in VIEWS:
        drawn(driver, view, id=20)
        nameless = driver.execute_script(
            "return [...document.querySelectorAll('button, input, select, a, [role=img], [role=button]')].filter(e => "
            "!(e.getAttribute('aria-label') || e.textContent.trim() || e.title)).map(e => e.outerHTML)"
        )
        assert nameless == [], view


def test_without_leave_there_are_no_buttons(page, driver):
    drawn(driver, "overview", id=20)
    assert driver.execute_script("return document.getElementById('actions')") is None
    assert "evonet cull RUN" in driver.execute_script("return document.querySelector('main').textContent")


def test_buttons_write_requests(driver, run_path):
    done = []
    with serving(run_path, requests=lambda folder, request: done.append(request) or "in the inbox") as found:
        chromium.open_page(driver, found.address)
        drawn(driver, "overview", id=20)
        chromium.until(driver, "return document.querySelector('#actions button') !== null")
        driver.execute_script("document.querySelector('#actions button').click()")
        chromium.until(driver, "return document.querySelector('#actions [role=status]').textContent === 'in the inbox'")
    assert [type(r).__name__ for r in done] == ["Cull"]
    assert done[0].individuals == (20,)


def test_a_page_of_another_site_gets_nothing(driver, site, tmp_path):
    # A page from disk is another origin: scripts, fetches, forms and frames of it.
    chromium.open_page(driver, site.address)
    evil = tmp_path / "evil.html"
    base = f"http://127.0.0.1:{site.port}"
    evil.write_text(
        f"<iframe id=f name=f src='{base}/'></iframe><script src='{base}/api/run'></script><img src='{base}/api/run'>"
        f"<form id=p method=post action='{base}/api/act' target=f enctype=text/plain>"
        "<input name='{\"kind\":\"cull\"' value='}'></form>"
    )
    driver.get(evil.as_uri())
    got = driver.execute_async_script(
        "const done = arguments[1]; document.getElementById('p').submit(); Promise.all(['cors', 'no-cors'].map(mode => "
        "fetch(arguments[0] + '/api/run', {mode, credentials: 'include'}).then(r => r.type, () => 'refused')"
        ")).then(done)",
        base,
    )
    assert got == ["refused", "refused"]
    assert driver.execute_script(
        "try { return document.getElementById('f').contentDocument.body.innerText } catch (e) { return null }"
    ) in (None, "")


def test_the_page_says_when_the_run_cannot_be_read(driver, run_path, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run_path, copy)
    with serving(copy) as found:
        chromium.open_page(driver, found.address)

        def refresh(run):
            raise RuntimeError("unforeseen <b>")

        found.desk.columns.refresh = refresh
        chromium.until(
            driver, "return document.getElementById('notice')?.textContent.includes('RuntimeError: unforeseen <b>')"
        )


def test_the_table_is_written_as_csv(page, driver, opened):
    drawn(driver, "table", f="state:scored", s="id", d=0)
    driver.execute_script("URL.createObjectURL = blob => { window.blob = blob; return '#'; }")
    driver.execute_script("[...document.querySelectorAll('main button')].find(b => b.textContent === 'CSV').click()")
    chromium.until(driver, "return window.blob")
    text = driver.execute_async_script("window.blob.text().then(arguments[0])")
    rows = list(csv.DictReader(io.StringIO(text)))
    expected = [r for r in tables.rows(opened, tables.config_of(opened).score) if r.score is not None]
    assert [int(r["id"]) for r in rows] == sorted(r.id for r in expected)
    assert {int(r["id"]): int(r["bytes"]) for r in rows} == {r.id: r.bytes for r in expected}
    assert not any(r["operator"].startswith(("=", "+", "@")) for r in rows)


def test_a_live_run_grows_in_the_page(driver, tmp_path):
    path = stub_run(tmp_path / "run", 40, population=10, genomes=12)
    with serving(path) as found:
        chromium.open_page(driver, found.address)
        drawn(driver, "table")
        assert data(driver, ".grid", "total") == "40"
        code, ids, package = pool(12)[0]
        with RunWriter.open(path) as writer:
            told = tuple(map(tuple, json.loads(ids)))
            job = Job(decision=40, individual=40, rung=0, genome=code, ids=told, steps=1, seed=1, key="k")
            writer.issued(job, kind="breed", parents=(3,), operator="brand_new")
            writer.recorded(Scored(decision=40, measures=measures(2), package=package, shadow=b"", rounds=()))
            chromium.until(driver, "return document.querySelector('.grid').dataset.total === '41'")
            chromium.until(driver, "return document.querySelector('.state').textContent === 'running'")
            drawn(driver, "individual", id=40)
            assert "brand_new" in driver.execute_script("return document.querySelector('main').textContent")
            drawn(driver, "lineage", id=40)
            assert int(data(driver, "[data-rows]", "rows")) >= 2
