"""Real towns and areas of the three forces, for made-up incidents and stations to lie in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Town:
    """A town's middle; incidents lie within about a kilometre of it."""

    name: str
    latitude: float
    longitude: float
    beat: str
    district: str


TOWNS: dict[str, tuple[Town, ...]] = {
    "leicestershire": (
        Town("Leicester", 52.6355, -1.1330, "CN01", "LE1"),
        Town("Loughborough", 52.7705, -1.2060, "NL10", "LE11"),
        Town("Hinckley", 52.5440, -1.3760, "SH20", "LE10"),
        Town("Coalville", 52.7250, -1.3680, "NW30", "LE67"),
        Town("Melton Mowbray", 52.7660, -0.8870, "MM40", "LE13"),
        Town("Market Harborough", 52.4790, -0.9250, "HB50", "LE16"),
        Town("Oakham", 52.6700, -0.7280, "RU60", "LE15"),
        Town("Wigston", 52.5830, -1.0960, "OW70", "LE18"),
        Town("Beaumont Leys", 52.6620, -1.1640, "CN05", "LE4"),
        Town("Braunstone Town", 52.6160, -1.1750, "BL80", "LE3"),
        Town("Ashby-de-la-Zouch", 52.7470, -1.4700, "NW35", "LE65"),
        Town("Lutterworth", 52.4600, -1.2010, "HB55", "LE17"),
    ),
    "northamptonshire": (
        Town("Northampton", 52.2370, -0.8950, "N1", "NN1"),
        Town("Kettering", 52.3990, -0.7270, "K1", "NN16"),
        Town("Corby", 52.4910, -0.6970, "C1", "NN17"),
        Town("Wellingborough", 52.3020, -0.6940, "W1", "NN8"),
        Town("Rushden", 52.2890, -0.5980, "E1", "NN10"),
        Town("Daventry", 52.2570, -1.1610, "D1", "NN11"),
        Town("Towcester", 52.1330, -0.9880, "S1", "NN12"),
        Town("Brackley", 52.0340, -1.1430, "S2", "NN13"),
        Town("Oundle", 52.4810, -0.4680, "E2", "PE8"),
        Town("Weston Favell", 52.2520, -0.8420, "N3", "NN3"),
        Town("Desborough", 52.4420, -0.8200, "K2", "NN14"),
        Town("Kingsthorpe", 52.2630, -0.9020, "N2", "NN2"),
    ),
    "nottinghamshire": (
        Town("Nottingham", 52.9540, -1.1500, "C11", "NG1"),
        Town("Mansfield", 53.1440, -1.1960, "M21", "NG18"),
        Town("Worksop", 53.3020, -1.1240, "B31", "S80"),
        Town("Newark-on-Trent", 53.0700, -0.8090, "NS41", "NG24"),
        Town("Arnold", 53.0020, -1.1280, "G51", "NG5"),
        Town("Beeston", 52.9270, -1.2150, "BX61", "NG9"),
        Town("West Bridgford", 52.9300, -1.1270, "R71", "NG2"),
        Town("Retford", 53.3220, -0.9430, "B32", "DN22"),
        Town("Hucknall", 53.0360, -1.2030, "A81", "NG15"),
        Town("Sutton-in-Ashfield", 53.1250, -1.2610, "A82", "NG17"),
        Town("Bingham", 52.9520, -0.9560, "R72", "NG13"),
        Town("Southwell", 53.0770, -0.9550, "NS42", "NG25"),
    ),
}

ROADS = (
    "High Street", "Church Lane", "Station Road", "Market Place", "London Road", "Mill Lane", "Park Avenue",
    "Victoria Street", "Queens Road", "Bridge Street", "Green Lane", "Manor Drive", "Castle Gate",
    "Albert Street", "Nelson Way", "St Mary's Close", "Café Corner, Union Street", "King's Walk",
)  # fmt: skip
