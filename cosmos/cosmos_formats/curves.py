"""Group orders, and whether a point is on its curve.

Only public values pass through here, so nothing has to run in constant time. Constants are those of SEC 2 (secp256k1,
secp256r1) and RFC 8032 (edwards25519).
"""

from __future__ import annotations

from cosmos_formats.quickclass import dataclass


@dataclass(frozen=True, slots=True)
class Curve:
    """A short Weierstrass curve ``y² = x³ + a·x + b`` of prime order.

    Attributes:
        p: Prime of the field, 3 modulo 4.
        a: Coefficient.
        b: Coefficient.
        n: Order of the group.
    """

    p: int
    a: int
    b: int
    n: int

    def has_x(self, x: int) -> bool:
        """Tell whether a point with this x is on the curve."""
        return x < self.p and jacobi(self._right_side(x), self.p) != -1

    def has_point(self, x: int, y: int) -> bool:
        """Tell whether the affine point is on the curve."""
        return x < self.p and y < self.p and y * y % self.p == self._right_side(x)

    def _right_side(self, x: int) -> int:
        return ((x * x + self.a) * x + self.b) % self.p


_P_K1 = 2**256 - 2**32 - 977
_P_R1 = 2**256 - 2**224 + 2**192 + 2**96 - 1

SECP256K1 = Curve(
    p=_P_K1,
    a=0,
    b=7,
    n=0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141,
)
SECP256R1 = Curve(
    p=_P_R1,
    a=_P_R1 - 3,
    b=0x5AC635D8_AA3A93E7_B3EBBD55_769886BC_651D06B0_CC53B0F6_3BCE3C3E_27D2604B,
    n=0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
)

_P_25519 = 2**255 - 19
_D_25519 = -121665 * pow(121666, -1, _P_25519) % _P_25519


def is_edwards25519_point(encoded: bytes) -> bool:
    """Tell whether 32 bytes are the canonical encoding of a point (RFC 8032, section 5.1.3)."""
    y = int.from_bytes(encoded, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= _P_25519:
        return False
    u = (y * y - 1) % _P_25519
    if u == 0:
        return not sign
    v = (_D_25519 * y * y + 1) % _P_25519
    # x² = u/v has a root exactly when u·v is a square; v is never zero.
    return jacobi(u * v, _P_25519) == 1


def jacobi(a: int, n: int) -> int:
    """Return the Jacobi symbol of ``a`` over odd ``n``; for a prime, whether ``a`` is a square (1), zero, or not (-1).

    Several times faster in Python than Euler's criterion by ``pow``.
    """
    a %= n
    result = 1
    while a:
        twos = (a & -a).bit_length() - 1
        a >>= twos
        if twos & 1 and n & 7 in (3, 5):
            result = -result
        if a & 3 == 3 and n & 3 == 3:
            result = -result
        a, n = n % a, a
    return result if n == 1 else 0
