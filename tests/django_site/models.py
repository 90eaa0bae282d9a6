from django.db import models


class Row(models.Model):
    """Something that a task or a test has written."""

    text = models.CharField(max_length=100, unique=True)

    def __str__(self) -> str:
        return str(self.text)
