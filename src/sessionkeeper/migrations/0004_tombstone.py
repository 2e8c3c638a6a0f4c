from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessionkeeper", "0003_lockout")]

    operations = [
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("until", models.DateTimeField(db_index=True, verbose_name="until")),
            ],
            options={
                "verbose_name": "tombstone",
                "verbose_name_plural": "tombstones",
            },
        ),
    ]
