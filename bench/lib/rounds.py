"""Rounds in alternating order, and what is said of them."""
import collections
import statistics


def alternate(names, rounds, run):
    """run(name, round) for every name in every round; every second round in reverse. {name: [result of each round]}, empty for
    names that were not asked for."""
    results = collections.defaultdict(list)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            results[name].append(run(name, number))
    return results


def values(results, field):
    return [result[field] for result in results if result.get(field) is not None]


def median(results, field):
    found = values(results, field)
    return statistics.median(found) if found else None


def ratio(results, others, field):
    """Median of the ratios of each round."""
    pairs = [(a.get(field), b.get(field)) for a, b in zip(results, others)]
    ratios = [a / b for a, b in pairs if a is not None and b]
    return statistics.median(ratios) if ratios else None


def spread(results, field, digits=2):
    """"median (least-most)"."""
    found = values(results, field)
    if not found:
        return "-"
    middle = f"{statistics.median(found):.{digits}f}"
    return middle if len(found) == 1 else f"{middle} ({min(found):.{digits}f}-{max(found):.{digits}f})"
