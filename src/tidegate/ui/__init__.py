"""The dashboard: pages in the web process, beside the control API, of the same answers (views) and the same acts.

    browser -- page(path) --> frame.py: who.py (may they?), nav, head, window picker
                                |
                                +-> pages/*.py: live(question, draw): views.* asked once for all browsers, drawn by components/
                                |
                                +-> acts: who().must(right), then the function that the command line and the API call

    app.py      the application: API and dashboard together; __main__.py is the process
    frame.py    what is around every page              live.py     questions asked again and again
    window.py   the window of time, url.py the rest of the address
    who.py      the person and their rights            security.py headers, sessions
    theme/      tokens and styles                      components/ what pages are made of
    pages/      overview, endpoint, rollout, rollouts, alarms, monitors, drift, log, prediction, models, settings, signin

Pages hold no logic: what a page says, a view said; what a page does, the command line does too. /drift and /log without an endpoint
show the endpoints there are to choose from, or go to the only one.
"""
