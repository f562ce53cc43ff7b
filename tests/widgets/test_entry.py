from nsm_nb.widgets.entry import Entry


def test_enter_submits_what_the_browser_says():
    entry, told = Entry(label="query"), []
    entry.on_submit(told.append)

    entry._told(entry, {"type": "submit", "value": "port 80"}, [])

    assert told == ["port 80"] and entry.value == "port 80"


def test_what_stands_there_is_told_before_anything_is_asked():
    entry, told = Entry(), []
    entry.on_submit(told.append)

    entry._told(entry, {"type": "value", "value": "beacon"}, [])

    assert entry.value == "beacon" and told == []


def test_writing_alone_submits_nothing():
    entry, told = Entry(), []
    entry.on_submit(told.append)

    entry.value = "port"

    assert told == []


def test_escape_gives_it_up():
    entry, told = Entry(), []
    entry.on_cancel(lambda: told.append("cancelled"))

    entry._told(entry, {"type": "cancel"}, [])

    assert told == ["cancelled"]


def test_what_is_wrong_is_said_with_its_place(hostile):
    entry = Entry()

    entry.mark(hostile, 7)
    assert entry.wrong["column"] == 7 and "\x1b" not in entry.wrong["text"]

    entry.mark()
    assert entry.wrong == {"column": None, "text": ""}
