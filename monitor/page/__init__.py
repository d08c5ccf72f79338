"""The operator's page: who may see it, what it shows, and how it is served.

server.py is the HTTP server; app.py the Flask application with what holds for every page;
sign_in.py says who a link or token is of; each *_views.py has the pages of one subject, and the
module beside it what they show.
"""
