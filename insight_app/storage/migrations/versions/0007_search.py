"""An index of the words of messages, kept by triggers: whoever writes or deletes a message need not think of it.

An answer is indexed at its end: while it is written its row changes each second. A later migration that makes the table
`messages` anew has to make SQLite's triggers anew, too.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
_LIVE = "('queued', 'loading', 'reading', 'thinking', 'writing')"
_IS_NEW = f"new.state NOT IN {_LIVE} AND (old.state IN {_LIVE} OR old.text <> new.text)"

# The index has no copy of the texts: it asks `messages` for them, and what is to go is told to it word by word.
_SQLITE = (
    """CREATE VIRTUAL TABLE message_words USING fts5(text, content='messages', content_rowid='id', columnsize=0,
    tokenize="unicode61 remove_diacritics 2 categories 'L* M* N* Co'")""",
    f"""CREATE TRIGGER message_words_come AFTER INSERT ON messages WHEN new.state NOT IN {_LIVE} BEGIN
    INSERT INTO message_words (rowid, text) VALUES (new.id, new.text); END""",
    f"""CREATE TRIGGER message_words_change AFTER UPDATE OF state, text ON messages WHEN {_IS_NEW} BEGIN
    INSERT INTO message_words (message_words, rowid, text)
    SELECT 'delete', old.id, old.text WHERE old.state NOT IN {_LIVE};
    INSERT INTO message_words (rowid, text) VALUES (new.id, new.text); END""",
    f"""CREATE TRIGGER message_words_go AFTER DELETE ON messages WHEN old.state NOT IN {_LIVE} BEGIN
    INSERT INTO message_words (message_words, rowid, text) VALUES ('delete', old.id, old.text); END""",
    f"INSERT INTO message_words (rowid, text) SELECT id, text FROM messages WHERE state NOT IN {_LIVE}",
)

# Accents are taken off by what Postgres has itself: its extension for that is not everywhere. Signs become spaces, or
# its parser would take addresses and the like for single words. What is too long for an index has its beginning there.
_FUNCTIONS = (
    """CREATE FUNCTION insight_plain(given text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT translate(
    lower(regexp_replace(normalize(given, NFD), '[\u0300-\u036f]', '', 'g') COLLATE "{collation}"),
    '!"#$%%&''()*+,-./:;<=>?@[\\]^_`{{|}}~“”„‘’«»…–—·¿¡', repeat(' ', 45)) $$""",
    """CREATE FUNCTION insight_words(given text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    RETURN to_tsvector('simple', insight_plain(given));
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN to_tsvector('simple', left(insight_plain(given), 50000));
END $$""",
    """CREATE FUNCTION insight_phrase(given text, is_begun boolean) RETURNS tsquery LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN is_begun AND numnode(phrase) > 0 THEN (phrase::text || ':*')::tsquery ELSE phrase END
    FROM phraseto_tsquery('simple', insight_plain(given)) AS phrase $$""",
)
_POSTGRES = (
    """CREATE TABLE message_words (
    message_id bigint PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE, words tsvector NOT NULL)""",
    """CREATE FUNCTION insight_index_message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO message_words VALUES (new.id, insight_words(new.text))
    ON CONFLICT (message_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$""",
    f"""CREATE TRIGGER message_words_come AFTER INSERT ON messages FOR EACH ROW
    WHEN (new.state NOT IN {_LIVE}) EXECUTE FUNCTION insight_index_message()""",
    f"""CREATE TRIGGER message_words_change AFTER UPDATE OF state, text ON messages FOR EACH ROW
    WHEN ({_IS_NEW}) EXECUTE FUNCTION insight_index_message()""",
    f"INSERT INTO message_words SELECT id, insight_words(text) FROM messages WHERE state NOT IN {_LIVE}",
    "CREATE INDEX ix_message_words_words ON message_words USING gin (words)",
)
# Those that know small letters of all scripts, the best first; what a database has by itself may know ASCII only.
_COLLATIONS = ("und-x-icu", "pg_c_utf8", "C.utf8", "C.UTF-8", "en_US.utf8")


def upgrade() -> None:
    connection = op.get_bind()
    statements: tuple[str, ...] = _SQLITE
    if connection.dialect.name != "sqlite":
        there = set(connection.exec_driver_sql("SELECT collname FROM pg_collation").scalars())
        collation = next((name for name in _COLLATIONS if name in there), "default")
        plain, *others = _FUNCTIONS
        statements = (plain.format(collation=collation), *others, *_POSTGRES)
    for statement in statements:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    for name in ("come", "change", "go") if is_sqlite else ("come", "change"):
        connection.exec_driver_sql(f"DROP TRIGGER message_words_{name}" + ("" if is_sqlite else " ON messages"))
    connection.exec_driver_sql("DROP TABLE message_words")
    if not is_sqlite:
        for name in ("index_message()", "phrase(text, boolean)", "words(text)", "plain(text)"):
            connection.exec_driver_sql(f"DROP FUNCTION insight_{name}")
