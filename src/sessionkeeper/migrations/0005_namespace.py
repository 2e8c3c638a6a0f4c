from secrets import token_hex
from typing import Any

from django.db import migrations, models


def column() -> Any:
    """Return the column, another one for each table."""
    return models.CharField(
        blank=True, db_default="", default="", editable=False, max_length=100, verbose_name="namespace"
    )


def make_mark(apps: Any, schema_editor: Any) -> None:
    """Make the row while nothing is under way that could undo it."""
    rows = apps.get_model("sessionkeeper", "SiteMark")._base_manager.using(schema_editor.connection.alias)
    if not rows.exists():
        rows.bulk_create([rows.model(mark=token_hex(16))])


class Migration(migrations.Migration):
    """The columns have a default in the database: processes of the release before go on writing rows."""

    dependencies = [("sessionkeeper", "0004_tombstone")]

    operations = [
        *(
            migrations.AddField(model_name=name, name="namespace", field=column())
            for name in ("session", "auditevent", "loginattempt")
        ),
        migrations.CreateModel(
            name="SiteMark",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("mark", models.CharField(max_length=32)),
            ],
            options={
                "verbose_name": "mark of the site",
                "verbose_name_plural": "marks of the site",
            },
        ),
        migrations.RunPython(make_mark, migrations.RunPython.noop),
    ]
