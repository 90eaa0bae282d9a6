"""Tell in one word whether all is well, to whoever asks."""

from flask import Blueprint, Response

from dashboard import queries

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> Response:
    """Answer 200, or 503 if Redis does not answer or tasks wait that no live worker serves."""
    try:
        well = queries.is_well()
    except queries.RedisAway:
        well = False
    word, status = ("ok", 200) if well else ("unwell", 503)
    return Response(word + "\n", status, mimetype="text/plain")
