"""The REST gateway: a publisher and a listener like any other, for clients that speak HTTP."""
