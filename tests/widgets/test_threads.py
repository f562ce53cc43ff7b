"""Widgets are answered on the kernel's main thread; in a real JupyterLab: test_alerts_in_browser."""

import subprocess
import sys

from ipykernel.comm.comm import BaseComm

from nsm_nb.widgets.threads import answer_in_order


def comm():
    return BaseComm("jupyter.widget", primary=False)


def test_a_widget_last_answered_on_a_thread_of_its_own_is_answered_on_the_main_thread():
    answer_in_order()
    widget = comm()
    widget._reply_subshell_id = "a thread that may have ended"

    assert widget._reply_subshell_for({"method": "update"}, "another thread") is None
    assert comm()._reply_subshell_for({"method": "update"}, "another thread") is None


def test_an_answer_goes_to_the_thread_that_waits_for_it():
    answer_in_order()
    widget = comm()
    widget._reply_subshell_ids["question 1"] = "asking"

    assert widget._reply_subshell_for({"content": {"id": "question 1"}}, None) == "asking"
    assert widget._reply_subshell_for({"content": {"id": "question 1"}}, "asking") is None


def test_asking_twice_changes_nothing():
    answer_in_order()
    first = BaseComm._reply_subshell_for
    answer_in_order()

    assert BaseComm._reply_subshell_for is first


def test_outside_of_a_kernel_nothing_is_loaded_for_it():
    program = "import sys, nsm_nb.widgets; print('ipykernel.comm.comm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "False"
