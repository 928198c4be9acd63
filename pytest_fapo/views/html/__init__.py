"""The HTML report: one self-contained file about one session or run.

In: `ReportData` (`report_data.py`). Out: one page in which nothing is loaded from elsewhere. Open
`report_page.py` first; it calls what makes each part. `static/` and `templates/` hold the page's own
script, style and markup.
"""
