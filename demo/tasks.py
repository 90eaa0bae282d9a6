"""The tasks of the demo."""

import asyncio
import logging
import time
import urllib.request
from collections import Counter
from decimal import Decimal
from pathlib import Path

from redis_tasks import PostponeShutdown, get_current_task, redis_task

logger = logging.getLogger(__name__)

PAGES = 60
SECONDS_A_PAGE = 1.0


@redis_task(reentrant=True, timeout=30)
def print_len_of_url_content(url: str) -> None:
    """Fetch *url*, an http or https one, and print how many bytes it has."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"only http and https addresses are fetched, not {url!r}")
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - checked above
        print(f"{url} has {len(response.read())} bytes")


@redis_task(reentrant=True)
def count_words(*paths: str) -> None:
    """Count the words of text files; log the most frequent long ones."""
    words: Counter[str] = Counter()
    for path in paths:
        text = Path(path).read_text(encoding="utf-8")
        words.update(word.strip(".,:;!?()\"'`*#").lower() for word in text.split())
    long = [f"{word} ({count})" for word, count in words.most_common() if len(word) > 5]
    names = ", ".join(Path(path).name for path in paths)
    logger.info("%s words in %s; long ones: %s", words.total(), names, ", ".join(long[:5]))


@redis_task(reentrant=True)
def write_report(title: str, pages: int = PAGES, seconds_a_page: float = SECONDS_A_PAGE) -> None:
    """Write a report page by page, slowly; after an interruption go on with the next page.

    What is done is kept in the task's `meta`, which a second run finds there. Called directly,
    as any function, it begins at the beginning.
    """
    task = get_current_task()
    written = task.meta.get("pages", 0) if task else 0
    for page in range(written + 1, pages + 1):
        time.sleep(seconds_a_page)
        # A page is handed in as a whole: a shutdown waits for this block.
        with PostponeShutdown():
            logger.info("%s: page %s of %s", title, page, pages)
            if task:
                task.meta["pages"] = page
                task.save_meta()


@redis_task()
def charge(customer: str, amount: str) -> None:
    """Charge a customer: not reentrant, since nobody wants to pay twice.

    Fails for an amount that is no number.
    """
    value = Decimal(amount)
    logger.info("charged %s with %.2f", customer, value)


@redis_task(reentrant=True)
async def ask_warehouses(article: str, warehouses: list[str]) -> None:
    """Ask several warehouses at once how many of an article they have."""
    stocks = await asyncio.gather(*(stock_of(article, name) for name in warehouses))
    logger.info("%s pieces of %s in %s warehouses", sum(stocks), article, len(warehouses))


async def stock_of(article: str, warehouse: str) -> int:
    """Answer after a while, as a real warehouse would."""
    await asyncio.sleep(len(warehouse) / 10)
    return len(article) * len(warehouse)
