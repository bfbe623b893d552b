"""Whether a model is ready for production: what people said it must hold, and the rubric of the ML Test Score, against evidence.

    state folder, machine, a load test --evidence.py--> Evidence
        --questionnaire.py--> each answer of `scoping:`, held or not
        --rubric.py--> 28 tests in four sections, the score
    --report.py--> Report: what is right, what isn't and what to do next --> terminal, JSON, html.py
    cycle.py: the same as the life cycle: scoping, data, modelling, deployment, and the ways back
base.py: what all of that is made of
"""
