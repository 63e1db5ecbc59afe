"""Requests that are made to us: from browsers, for the page of watched jobs, and from vendors, who tell of news."""
