"""A bridge on paper: weight, cost and stress of a beam, all to be small; above a stress of 1 it breaks.

The classic test of a design problem with several objectives: what makes the beam light makes it weak, or dear.
"""

import argparse


def main() -> None:
    """Compute the three metrics of one design and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, required=True, help="centimetres")
    parser.add_argument("--height", type=float, required=True, help="centimetres")
    parser.add_argument("--material", choices=["steel", "aluminium", "timber"], default="steel")
    parser.add_argument("--alloy", choices=["6061", "7075"], help="aluminium only")
    parser.add_argument("--grade", type=int, help="timber only")
    options = parser.parse_args()

    density, price, strength = {"steel": (7.8, 0.9, 250), "aluminium": (2.7, 2.6, 150), "timber": (0.6, 0.5, 30)}[
        options.material
    ]
    if options.material == "aluminium" and options.alloy == "7075":
        price, strength = price * 1.8, strength * 1.8
    if options.material == "timber" and options.grade is not None:
        price, strength = price * (1 + 0.2 * options.grade), strength * (1 + 0.1 * options.grade)

    volume = options.width * options.height  # for each centimetre of length
    weight = density * volume
    print(f"weight={weight:.4f}")
    print(f"cost={price * weight:.4f}")
    print(f"stress={60_000 / (options.width * options.height**2) / strength:.4f}")


if __name__ == "__main__":
    main()
