"""The dashboard's pages in a real browser."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from dashboard.access import Access
from dashboard.addresses import NameConverter
from dashboard.app import create_app
from demo.tasks import count_words
from redis_tasks import keys, once_per_day, run_every
from redis_tasks.conf import connection
from redis_tasks.contrib.graph import chain
from redis_tasks.registries import TaskRegistry
from redis_tasks.store import client, scripts
from redis_tasks.store.scripts import NewTask
from tests.conftest import StartServer, UseSettings
from tests.support import hostile
from tests.support.browser import PATIENCE, Tab, find_chromium, running_browser
from tests.support.busy_redis import fill

PAGES = ("/", "/running", "/failed", "/finished", "/workers", "/schedule", "/history")
SCHEDULE = {
    "often": {"task": "demo.tasks.count_words", "schedule": run_every(seconds=20)},
    "nightly": {"task": "demo.tasks.count_words", "schedule": once_per_day("04:00")},
}
NAMES = ("Overview", "Running", "Failed", "Finished", "Workers", "Schedule", "History")

pytestmark = pytest.mark.skipif(
    find_chromium() is None,
    reason="NO BROWSER, PAGES NOT TESTED: no chromium or google-chrome is on PATH"
    " (Debian: apt-get install chromium)",
)

OpenTab = Callable[..., Tab]
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of this module: its event loop must not meet those of other modules."""
    with running_browser() as started:
        yield started


class Quiet(WSGIRequestHandler):
    """Writes no line a request."""

    def log_request(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(prefix: str = "") -> Iterator[str]:
    """Serve the dashboard on a free port for the time of a ``with`` block.

    With a *prefix*: below it, within an app that knows nothing else.
    """
    app: Any = create_app(Access(is_elsewhere=True))
    if prefix:
        app = DispatcherMiddleware(NotFound(), {prefix: app})
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def dashboard(settings_for_test: dict[str, Any]) -> Iterator[str]:
    """Where the dashboard of the test's Redis is."""
    with served() as address:
        yield address


@pytest.fixture
def open_tab(browser: Browser, dashboard: str) -> Iterator[OpenTab]:
    """Open tabs, `open_tab(width=360, color_scheme="dark")`; complaints of any fail the test."""
    tabs: list[Tab] = []

    def open_one(**how: Any) -> Tab:
        tabs.append(Tab(browser, dashboard, **how))
        return tabs[-1]

    yield open_one
    complaints = [complaint for tab in tabs for complaint in tab.complaints]
    for tab in tabs:
        tab.close()
    assert complaints == []


def path_of(kind: str, name: str) -> str:
    return f"/{kind}/{NameConverter({}).to_url(name)}"  # type: ignore[arg-type] # needs no map


def newest(registry: str) -> str:
    return TaskRegistry(registry).get_task_ids(-1)[0]


def enqueue(name: str, queue: str = "default") -> None:
    task = NewTask(name, "shop.mail.send_receipt", b"[[], {}]", reentrant=True, timeout=60)
    client.run(scripts.enqueue(queue, [task]))


def refresh(tab: Tab) -> None:
    """Let a page refresh itself now, as it does when its tab comes to the front."""
    tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_every_page_is_reached_by_clicks(open_tab: OpenTab) -> None:
    fill(minutes=8)
    tab = open_tab()
    page = tab.open("/")

    for name in NAMES:
        page.get_by_role("navigation", name="Pages", exact=True).get_by_text(name).click()

        expect(page.locator("nav [aria-current=page]")).to_have_text(name)
        expect(page.locator("main h1")).to_be_visible()
    for way in (
        ("/", "th a", "Queue"),
        ("/finished", "a.task", "Task"),
        ("/failed", "a.task", ""),
    ):
        tab.open(way[0]).locator(f"main {way[1]}").first.click()

        expect(page.locator(".crumb").first).to_contain_text(way[2])


def test_below_a_prefix_every_page_is_reached_and_refreshed(
    browser: Browser, settings_for_test: dict[str, Any]
) -> None:
    fill(minutes=8)
    with served("/admin/tasks") as address:
        tab = Tab(browser, address)
        page = tab.open("/")
        for name in NAMES:
            page.get_by_role("navigation", name="Pages", exact=True).get_by_text(name).click()
            expect(page.locator("nav [aria-current=page]")).to_have_text(name)
        page = tab.open("/failed")
        page.get_by_role("button", name="Filter").click()
        page.locator("main a.task").first.click()
        expect(page.locator(".crumb").first).to_be_visible()
        enqueue("first")
        page = tab.open("/")
        expect(page.locator(".chart img").first).to_have_js_property("complete", value=True)
        before = page.locator(".tiles dd").first.inner_text()

        enqueue("second")

        expect(page.locator(".tiles dd").first).not_to_have_text(before)
        assert tab.complaints == []
        tab.close()


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_its_screen_and_is_accessible(
    width: int, scheme: str, open_tab: OpenTab, use_settings: UseSettings
) -> None:
    use_settings(SCHEDULE=SCHEDULE)
    fill(minutes=8)
    enqueue("waits for long", "reports")
    graph = chain([{"func": count_words, "args": ["x"]}] * 8)
    graph.enqueue()
    tab = open_tab(width=width, color_scheme=scheme)
    named = {"queue": "default", "task": newest("failed"), "graph": str(graph.id)}
    more = [path_of(kind, name) for kind, name in named.items()]

    for path in (*PAGES, *more, "/history?by=function"):
        tab.open(path)

        assert not tab.is_too_wide(), path
        assert tab.accessibility() == [], path


def test_every_page_fits_what_is_between_a_phone_and_a_desk(open_tab: OpenTab) -> None:
    fill(minutes=8)
    enqueue("waits for long", "a-queue-that-somebody-gave-a-name-of-some-length")
    tab = open_tab(width=800)

    for path in (*PAGES, path_of("queue", "default"), path_of("task", newest("failed"))):
        tab.open(path)

        assert not tab.is_too_wide(), path
        assert not tab.tables_too_wide(), path


@pytest.mark.parametrize("width", [360, 1600])
def test_pages_of_an_empty_redis_say_so(width: int, open_tab: OpenTab) -> None:
    tab = open_tab(width=width)

    for path in PAGES:
        page = tab.open(path)

        expect(page.locator(".empty").first).to_be_visible()
        assert not tab.is_too_wide(), path
    assert tab.accessibility() == []
    tab.expected = {404}
    expect(tab.open("/task/gone").locator("main")).to_contain_text("no such task")


def test_dark_mode_is_dark(open_tab: OpenTab) -> None:
    light, dark = (
        open_tab(color_scheme=scheme).open("/").evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
        )
        for scheme in ("light", "dark")
    )  # fmt: skip

    assert min(light) > 200
    assert max(dark) < 60


def test_a_page_refreshes_itself_in_place(open_tab: OpenTab) -> None:
    enqueue("first")
    page = open_tab().open("/")
    waiting = page.locator(".tiles dd").first
    expect(waiting).to_have_text("1")
    page.evaluate("window.isTheSame = true")
    page.locator("main th a").first.focus()

    enqueue("second")

    expect(waiting).to_have_text("2")
    assert page.evaluate("window.isTheSame")
    expect(page.locator("main th a").first).to_be_focused()


def test_what_a_reader_has_opened_stays_open(open_tab: OpenTab) -> None:
    fill(minutes=8)
    tab = open_tab()
    page = tab.open(path_of("task", newest("failed")))
    details = page.locator("details").last
    details.locator("summary").click()
    connection.hset(keys.task(newest("failed")), "why", "timeout")

    refresh(tab)

    expect(page.locator(".facts .tag")).to_have_text("timeout")
    expect(details).to_have_attribute("open", "")


def test_refreshing_can_be_paused(open_tab: OpenTab) -> None:
    enqueue("first")
    tab = open_tab()
    page = tab.open("/")
    button = page.get_by_role("button", name="Live")
    button.click()
    expect(page.locator(".live")).to_have_text(re.compile("Paused"))
    enqueue("second")

    refresh(tab)
    page.wait_for_load_state("networkidle")

    expect(page.locator(".tiles dd").first).to_have_text("1")
    page.locator(".live").click()
    expect(page.locator(".tiles dd").first).to_have_text("2")


def test_redis_may_go_and_come_back(
    browser: Browser, start_redis: StartServer, use_settings: UseSettings
) -> None:
    server = start_redis(aof=True)
    use_settings(REDIS_URL=server.url)
    enqueue("one")
    with served() as address:
        tab, late = Tab(browser, address), Tab(browser, address)
        tab.expected = late.expected = {503}
        page = tab.open("/")
        server.stop()

        refresh(tab)

        expect(page.locator(".outage")).to_contain_text("Redis cannot be reached")
        expect(page.locator(".tiles dd").first).to_have_text("1")
        expect(late.open("/failed").locator("main")).to_contain_text("It last answered at")
        server.start()
        expect(page.locator(".outage")).to_be_hidden()
        expect(late.page.locator("main")).to_contain_text("No task has failed")
        assert tab.complaints + late.complaints == []
        tab.close()
        late.close()


def test_pages_are_useful_without_a_script(open_tab: OpenTab) -> None:
    fill(minutes=8)

    page = open_tab(java_script_enabled=False).open("/failed")

    expect(page.locator("a.task").first).to_be_visible()
    expect(page.locator(".live")).to_be_hidden()
    page.locator("select[name=queue]").select_option("reports")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("queue=reports"))


def test_the_keyboard_reaches_the_content_first(open_tab: OpenTab) -> None:
    page = open_tab().open("/finished")

    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()


def test_thousands_of_runs_stay_few_elements(open_tab: OpenTab) -> None:
    fill(minutes=60, rate=80)
    tab = open_tab()

    page = tab.open("/history?last=1h")

    blocks = page.locator(".lane a")
    expect(blocks.first).to_be_attached()
    assert 100 < blocks.count() < 4500
    page.get_by_role("link", name="Zoom in").click()
    expect(page).to_have_url(re.compile("from=.*to="))
    expect(page.locator(".lane a").first).to_be_attached()


def test_hostile_texts_stay_texts(open_tab: OpenTab) -> None:
    for number, payload in enumerate(hostile.PAYLOADS):
        hostile.plant(number, payload)
    tab = open_tab(width=360)

    for path in (*PAGES, "/history?by=function", "/failed?groups=2"):
        tab.open(path)
        assert intruders(tab) == [], path


@pytest.mark.parametrize("number", [0, 1, 2])
def test_hostile_names_lead_to_their_pages(number: int, open_tab: OpenTab) -> None:
    some = hostile.PAYLOADS[number::3]
    for place, payload in enumerate(some):
        hostile.plant(place, payload)
    tab = open_tab(width=360)

    for payload in some:
        name = hostile.task_id(payload, "failed" if number else payload)
        page = tab.open(path_of("task", name))
        expect(page.locator(".crumb code")).to_have_text(name)
        assert intruders(tab) == [], payload
        page = tab.open(path_of("queue", payload))
        expect(page.locator("main h1")).to_have_text(payload)
        assert intruders(tab) == [], payload
        page.locator("input[name=text]").fill(payload)
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("input[name=text]")).to_have_value(payload)
        assert intruders(tab) == [], payload


def intruders(tab: Tab) -> list[str]:
    """Return what a page has that its templates did not put there, or lacks."""
    if tab.is_too_wide():
        return ["the page is too wide"]
    if tab.tables_too_wide():
        return ["a table is too wide"]
    found: list[str] = tab.page.evaluate("""() => {
        const found = [];
        for (const element of document.querySelectorAll("*")) {
            const name = element.localName;
            const names = [...element.attributes].map((attribute) => attribute.name);
            const bad = ["iframe", "object", "embed", "base", "style", "b[data-pwned]"];
            if (bad.includes(name)) found.push(name);
            if (names.some((name) => name.startsWith("on") || name === "style")) found.push(name);
            if (names.includes("data-pwned")) found.push("data-pwned");
            if (name === "script" && !element.src.includes("/static/")) found.push("script");
            if (name === "img" && !element.src.includes("/chart/")) found.push("img");
            if (name === "form" && element.className !== "filter") found.push("form");
            if (name === "a" && !["http:", ""].includes(new URL(
                element.getAttribute("href"), location.href).protocol)) found.push("link");
        }
        for (const part of ["header.top", "main", "footer"]) {
            const all = document.querySelectorAll(`body > ${part}`);
            const box = all[0]?.getBoundingClientRect();
            if (all.length !== 1 || box.width < 300) found.push(`no ${part}`);
        }
        if (document.querySelectorAll("h1").length !== 1) found.push("h1");
        return found;
    }""")
    return found
