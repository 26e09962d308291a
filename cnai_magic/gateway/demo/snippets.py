"""The Python that demo-guide can write; each snippet runs as it stands."""

from __future__ import annotations

__all__ = ["SNIPPETS"]

SNIPPETS: tuple[tuple[str, str, str], ...] = (
    (
        "Fibonacci numbers",
        r"fibonacci|fib\b|斐波那契",
        '''def fibonacci(count):
    """Return the first `count` Fibonacci numbers."""
    numbers = []
    current, following = 0, 1
    for _ in range(count):
        numbers.append(current)
        current, following = following, current + following
    return numbers


print(fibonacci(10))''',
    ),
    (
        "prime numbers",
        r"\bprimes?\b|sieve|质数|素数",
        '''def primes(limit):
    """Return the primes up to `limit` by the sieve of Eratosthenes."""
    candidate = [True] * (limit + 1)
    found = []
    for number in range(2, limit + 1):
        if candidate[number]:
            found.append(number)
            for multiple in range(number * number, limit + 1, number):
                candidate[multiple] = False
    return found


print(primes(50))''',
    ),
    (
        "factorial",
        r"factorial|阶乘",
        '''def factorial(n):
    """Return n! for a whole number of at least 0."""
    product = 1
    for factor in range(2, n + 1):
        product *= factor
    return product


print(factorial(10))''',
    ),
    (
        "palindromes",
        r"palindrom",
        '''def is_palindrome(text):
    """Tell whether `text` reads the same backwards; case and punctuation do not count."""
    letters = [letter for letter in text.lower() if letter.isalnum()]
    return letters == letters[::-1]


print(is_palindrome("A man, a plan, a canal: Panama"))''',
    ),
    (
        "reversing a text",
        r"\brevers|反转",
        '''def reverse(text):
    """Return `text` from its last character to its first."""
    return text[::-1]


print(reverse("notebook"))''',
    ),
    (
        "mean and variance",
        r"\bmean\b|\baverage\b|\bvariance\b|\bdeviation\b|平均",
        '''def mean(numbers):
    """Return the arithmetic mean of a list that is not empty."""
    return sum(numbers) / len(numbers)


def variance(numbers):
    """Return the sample variance of at least two numbers."""
    centre = mean(numbers)
    return sum((number - centre) ** 2 for number in numbers) / (len(numbers) - 1)


data = [2, 4, 4, 4, 5, 5, 7, 9]
print(mean(data), variance(data))''',
    ),
    (
        "sorting",
        r"\bsort|排序",
        '''def insertion_sort(items):
    """Return the items in ascending order; the list itself is left alone."""
    ordered = []
    for item in items:
        place = len(ordered)
        while place and ordered[place - 1] > item:
            place -= 1
        ordered.insert(place, item)
    return ordered


print(insertion_sort([5, 2, 9, 1, 5]))''',
    ),
    (
        "counting words",
        r"count(?:s|ing)? (?:the )?words|word count",
        '''from collections import Counter


def count_words(text):
    """Return how often each word of `text` occurs, most frequent first."""
    return Counter(text.lower().split()).most_common()


print(count_words("the cat and the hat"))''',
    ),
    (
        "the greatest common divisor",
        r"\bgcd\b|common divisor|euclid",
        '''def gcd(a, b):
    """Return the greatest common divisor by Euclid's algorithm."""
    while b:
        a, b = b, a % b
    return abs(a)


print(gcd(84, 36))''',
    ),
    (
        "FizzBuzz",
        r"fizz ?buzz",
        '''def fizzbuzz(number):
    """Return what a player says at `number`."""
    said = ("Fizz" if number % 3 == 0 else "") + ("Buzz" if number % 5 == 0 else "")
    return said or str(number)


print(", ".join(fizzbuzz(number) for number in range(1, 16)))''',
    ),
    (
        "hello world",
        r"\bhello\b|\bgreet",
        '''def greet(name):
    """Return a greeting."""
    return f"Hello, {name}!"


print(greet("world"))''',
    ),
)
