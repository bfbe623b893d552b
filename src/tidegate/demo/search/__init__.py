"""`tidegate demo search`: a page with a search box, a ranking model behind a real endpoint, and what people did as feedback.

corpus.py  the accidents' descriptions --> descriptions.parquet
ranker.py  the model: words in, the ten best descriptions out (BM25)
page.html  box, results, events         served by server.py, which asks the gateway
drive.py   searchers that are made up, over real HTTP (`--once`)
figures.py click-through and the others, from the log
cli.py     the order of things

person --query--> server --predict--> gateway --> ranker          page: results, each a button
       --click at rank 3 | asked again | typed instead--> server --feedback--> gateway --> journal --> log --> figures
"""
