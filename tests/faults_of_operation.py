"""What people see when a part of a running deployment fails, as rows of docs/operating.md, each with its test.

What an answer does when its engine, its database or its rules go wrong is in docs/faults.md, row by row.
"""

from __future__ import annotations

from typing import NamedTuple

COLUMNS = ("part", "what happens to it", "what people see", "what mends it", "test")
KILLS, STOPS = "browser/test_browser_kills.py", "test_chat_ending.py"
AWAY, ENGINES, DATABASES = "test_chat_redis_away.py", "test_faults_of_engines.py", "test_faults_of_databases.py"
POSTGRES, NGINX = "test_faults_of_postgres.py", "test_deploy_nginx.py"
NOTHING_NEW = "“Redis does not answer, and without it no new answer can begin.” Their text is kept; programs: 503"
NOTHING_LOST = "What is being written is written on, for who is at its worker; pages at other workers wait"


class Row(NamedTuple):
    """One fault; `test` is a file in tests/ and the test's name."""

    part: str
    fault: str
    seen: str
    mended: str
    test: tuple[str, str]

    def cells(self) -> tuple[str, ...]:
        file, name = self.test
        return self.part, self.fault, self.seen, self.mended, f"`{file}`: {name.replace('_', ' ')}"


OPERATION_FAULTS = (
    Row(
        "app worker",
        "killed (`kill -9`, out of memory)",
        "The answer stands still for 5 to 10 s, then goes on; every character once",
        "another worker goes on when the lease is over; gunicorn starts a new one",
        (KILLS, "an_answer_outlives_every_kill_of_its_worker"),
    ),
    Row(
        "app worker",
        "killed twice in one answer",
        "The answer ends, with what was written, and Continue",
        "the person: perhaps that answer was the cause",
        ("test_faults_of_servers.py", "an_answer_outlives_its_worker"),
    ),
    Row(
        "app worker",
        "slow or asleep for longer than its lease",
        "The same as killed; what it writes when it wakes is shown to nobody and kept nowhere",
        "it notices itself; gunicorn kills one that sleeps for a minute",
        (KILLS, "a_worker_that_slept_until_it_was_taken_for_dead_writes_no_more"),
    ),
    Row(
        "app worker",
        "full: more answers wait than MAX_WAITING_ANSWERS",
        "“Too many answers are waiting for this model already.” Their text is kept; programs: 503 with Retry-After",
        "time, or more places at the engine",
        ("test_chat_line.py", "there_is_room_for_so_many_for_each_model"),
    ),
    Row(
        "app worker",
        "replaced (`kill -HUP`)",
        "Nothing",
        "old workers write their answers to the end, for GRACEFUL_SECONDS, and hand over the rest",
        (KILLS, "an_upgrade_in_mid_answer_is_seen_by_nobody"),
    ),
    Row(
        "whole server",
        "killed, with all workers",
        "Pages stand still until it is there again; then the answer goes on",
        "its next start, within 10 s of it",
        (KILLS, "an_answer_outlives_its_whole_server"),
    ),
    Row(
        "whole server",
        "its master process killed",
        "The same",
        "workers keep what they wrote and go; its next start",
        (KILLS, "a_worker_without_its_master_keeps_what_it_wrote_and_goes"),
    ),
    Row(
        "whole server",
        "stopped and started (SIGTERM)",
        "Answers end, for GRACEFUL_SECONDS; the rest goes on after the start",
        "its next start",
        ("browser/test_browser_restart.py", "an_answer_goes_on_over_the_end_of_its_server"),
    ),
    Row(
        "whole server",
        "stopped while people wait in line",
        "“Waiting for a free place”; it begins after the start",
        "another worker, or its next start",
        (STOPS, "who_waits_in_line_waits_at_the_next_server"),
    ),
    Row(
        "whole server",
        "power cut of the machine",
        "What a page had shown a second before is there, and goes on",
        "its next start",
        ("test_storage_power_cut.py", "what_was_kept_outlives_a_power_cut_at_any_moment"),
    ),
    *(
        Row("Redis", fault, f"{NOTHING_NEW}. {NOTHING_LOST}", mended, (AWAY, test))
        for fault, mended, test in (
            (name, how, "nothing_new_begins_what_is_written_ends_and_all_heals_by_itself")
            for name, how in (
                ("down, and started again empty", "Redis; all is put there anew within a second"),
                ("slow or cut off: it takes connections and says nothing", "Redis; nobody waits longer than a second"),
                ("full (`maxmemory`, noeviction)", "room in it"),
                ("read-only, as a replica is", "a Redis that may be written to"),
            )
        )
    ),
    Row(
        "Redis",
        "down while a rule is saved",
        "The rule holds at once, at every worker",
        "nothing needs to: rules are in the database",
        (AWAY, "a_rule_that_is_saved_at_one_process_holds_at_the_other_at_once"),
    ),
    Row(
        "network",
        "a worker is cut off from Redis and the others are not",
        "Others go on with its answers; it notices, and its pages follow them there",
        "the network",
        (STOPS, "who_learns_that_others_go_on_writes_no_more"),
    ),
    Row(
        "SQLite",
        "slow: another program holds it",
        "“Another program holds the database.” Their text is kept; answers go on and are kept later",
        "the end of that program",
        (DATABASES, "an_answer_that_cannot_be_kept_goes_on_and_is_kept_later"),
    ),
    Row(
        "SQLite",
        "down: the file is gone or damaged",
        "“The database cannot be used now.”",
        "the disk, or a backup",
        (DATABASES, "a_page_that_cannot_be_read_says_so_and_is_there_again_later"),
    ),
    Row(
        "Postgres",
        "down, or restarted in mid-answer",
        "“The database's server does not answer.” Their text is kept. Answers go on, also for programs, and are kept "
        "later; what has not begun waits for it; who is in stays in",
        "Postgres; each process finds it again by itself",
        (POSTGRES, "postgres_may_be_restarted_in_mid_answer"),
    ),
    Row(
        "Postgres",
        "down while a worker dies, or starts",
        "What the other workers show; at the only one, requests wait for it",
        "Postgres: a new worker is tried every few seconds until it is there",
        (POSTGRES, "a_worker_that_dies_while_postgres_is_away_does_not_take_the_server_with_it"),
    ),
    Row(
        "Postgres",
        "slow: somebody holds what is to be written, or all connections are in use",
        "“Another program holds the database.” after 5 s. Their text is kept; answers go on and are kept later",
        "the end of that program",
        ("test_storage_postgres.py", "nobody_waits_for_longer_than_is_set"),
    ),
    Row(
        "Postgres",
        "full disk, read only, not let in",
        "As SQLite's: “The disk is full, so nothing can be kept.”, “The database cannot be used now.”",
        "room on its disk; who runs it",
        ("test_storage_postgres.py", "what_postgres_refuses_is_said_in_our_words"),
    ),
    Row(
        "Nginx",
        "reloaded",
        "Nothing",
        "its old processes keep the streams that they have until these end",
        (NGINX, "a_reload_in_mid_answer_loses_nothing"),
    ),
    Row(
        "Nginx",
        "down, or restarted",
        "Pages stand still, and go on from their place; every character once. A program is cut off, which ends its "
        "answer, as when it goes by itself; what was written is kept",
        "Nginx",
        (NGINX, "an_answer_goes_on_over_a_restart_of_nginx"),
    ),
    Row(
        "Nginx",
        "up, and the app behind it is not",
        "“The server is starting, or away.”, as a page, a part of one, or JSON (502)",
        "the app; what was typed is one step back",
        (NGINX, "while_the_app_is_away_everybody_hears_it_in_their_own_way"),
    ),
    Row(
        "disk",
        "full",
        "“The disk is full, so nothing can be kept.” Their text is kept; answers go on and are kept later",
        "room on it",
        (DATABASES, "a_prompt_that_cannot_be_kept_comes_back_to_its_author"),
    ),
    Row(
        "model server",
        "down, slow, full, restarted, cut off",
        "The answer waits and says for what, or ends with what was written, and Continue: [faults.md](faults.md)",
        "the model server; what waits begins by itself",
        (ENGINES, "a_fault_of_the_engine_is_told_kept_logged_and_counted"),
    ),
    Row(
        "network",
        "cut between browser and server, at any byte",
        "The page connects again and goes on from its place; every character once",
        "the network",
        ("browser/test_browser_resume.py", "a_page_that_was_cut_off_hidden_or_loaded_again_ends_like_a_fresh_one"),
    ),
    Row(
        "clock",
        "set back an hour",
        "Nothing; what comes later stays in front in the list",
        "nothing needs to: waits are not measured by it",
        ("test_faults_of_servers.py", "a_clock_that_is_set_back_changes_nothing"),
    ),
)


def operation_table() -> str:
    """The table as docs/operating.md has it."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells() for row in OPERATION_FAULTS)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


if __name__ == "__main__":
    print(operation_table(), end="")
