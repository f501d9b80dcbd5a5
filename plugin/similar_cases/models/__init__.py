"""Networks of the site: which kinds there are, where weights lie, by what hash they are held; and what ours share."""
