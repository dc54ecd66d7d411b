"""Sessions in pytester have a home of their own."""

from isolation_home import home as home
from isolation_home import plain as plain
