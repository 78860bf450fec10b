"""What a colleague needs to judge and repeat a selection: facts gathered once, written as a page or as Markdown.

facts → values of one selection · alternatives → the same budget chosen otherwise · words → cuts as sentences ·
commands → the way to repeat it · charts → Plotly figures as plain data · html, markdown → the two forms.
`pipeline.report` joins them with the store.
"""
