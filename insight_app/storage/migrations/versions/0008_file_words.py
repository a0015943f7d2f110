"""An index of the names and words of files that were sent with a message, kept by triggers as that of messages.

A later migration that makes the table `attachments` anew has to make SQLite's triggers anew, too.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

# SQLite may number anew the rows of a table whose key is a text, so a file is known by its message and its place there.
_SQLITE = (
    """CREATE VIRTUAL TABLE file_words USING fts5(name, text, content='', columnsize=0,
    tokenize="unicode61 remove_diacritics 2 categories 'L* M* N* Co'")""",
    """CREATE TRIGGER file_words_come AFTER INSERT ON attachments WHEN new.message_id IS NOT NULL BEGIN
    INSERT INTO file_words (rowid, name, text) VALUES (new.message_id * 1000 + new.place, new.name, new.text); END""",
    """CREATE TRIGGER file_words_change AFTER UPDATE OF message_id, place, name, text ON attachments BEGIN
    INSERT INTO file_words (file_words, rowid, name, text)
    SELECT 'delete', old.message_id * 1000 + old.place, old.name, old.text WHERE old.message_id IS NOT NULL;
    INSERT INTO file_words (rowid, name, text)
    SELECT new.message_id * 1000 + new.place, new.name, new.text WHERE new.message_id IS NOT NULL; END""",
    """CREATE TRIGGER file_words_go AFTER DELETE ON attachments WHEN old.message_id IS NOT NULL BEGIN
    INSERT INTO file_words (file_words, rowid, name, text)
    VALUES ('delete', old.message_id * 1000 + old.place, old.name, old.text); END""",
    """INSERT INTO file_words (rowid, name, text)
    SELECT message_id * 1000 + place, name, text FROM attachments WHERE message_id IS NOT NULL""",
)
_POSTGRES = (
    """CREATE TABLE file_words (
    attachment_id varchar(32) PRIMARY KEY REFERENCES attachments (id) ON DELETE CASCADE, words tsvector NOT NULL)""",
    """CREATE FUNCTION insight_index_file() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO file_words VALUES (new.id, insight_words(new.name || ' ' || new.text))
    ON CONFLICT (attachment_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$""",
    """CREATE TRIGGER file_words_come AFTER INSERT OR UPDATE OF message_id, name, text ON attachments FOR EACH ROW
    WHEN (new.message_id IS NOT NULL) EXECUTE FUNCTION insight_index_file()""",
    """INSERT INTO file_words SELECT id, insight_words(name || ' ' || text) FROM attachments
    WHERE message_id IS NOT NULL""",
    "CREATE INDEX ix_file_words_words ON file_words USING gin (words)",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    for name in ("come", "change", "go") if is_sqlite else ("come",):
        connection.exec_driver_sql(f"DROP TRIGGER file_words_{name}" + ("" if is_sqlite else " ON attachments"))
    connection.exec_driver_sql("DROP TABLE file_words")
    if not is_sqlite:
        connection.exec_driver_sql("DROP FUNCTION insight_index_file()")
