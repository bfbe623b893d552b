"""The control REST API: what the CLI can ask and change, for programs and the dashboard. OpenAPI at /api/openapi.json.

    request -> guard (Host, Origin) -> access (key, role) -> routes -> views, app, changes
            <- {"error": ...} (errors.py)

It runs in the web process beside the dashboard (tidegate.ui), so that a slow question never delays a prediction.
"""
