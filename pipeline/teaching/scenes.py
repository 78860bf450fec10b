"""Everyday words beside the vision tower's classes: what people say of a picture that shows one of them. A table, and texts from it.

The classifier knows 1000 narrow classes ("triumphal arch"); people write of gates, towers, fur or waves. Each scene joins words with the
classes they fit. Texts are made by program for one scene or one class; no photo and no data set's text is read here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from pipeline.models.classes import class_names
from pipeline.scoring.contract import Kind, answer_text, question_text


@dataclass(frozen=True)
class Scene:
    """Words, and the numbers of the classes (rows of the classifier) whose pictures they fit."""

    words: tuple[str, ...]
    classes: frozenset[int]


def _scene(words: str, *classes: int | tuple[int, int]) -> Scene:
    """`classes` are numbers or (first, last)."""
    numbers = {number for one in classes for number in ((one,) if isinstance(one, int) else range(one[0], one[1] + 1))}
    return Scene(tuple(word.strip() for word in words.split(",")), frozenset(numbers))


WATER = ((970, 980), 460, 472, 484, 510, 525, 536, 554, 576, 625, 628, 718, 724, 780, 814, 871, 913, 914, 833)
BOATS = (403, 472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 913, 914)
BUILDINGS = (425, 437, 442, 449, 483, 497, 500, 538, 624, 663, 668, 682, 698, 727, 743, 832, 873, 884, 900, 406, 706, 716, 853, 858, 580, 582, 762, 424, 454, 509)
SACRED = (406, 442, 497, 538, 663, 668, 832, 649, 682, 863)
FISH = ((0, 6), (389, 397))
BIRDS = ((7, 24), (80, 100), (127, 146))
REPTILES = ((25, 68),)
MAMMALS = ((101, 109), (147, 150), (151, 299), (330, 388))
DOGS = ((151, 268), (269, 275))
CATS = ((281, 293),)
APES = ((365, 384),)
HOOFED = ((339, 355),)
INSECTS = ((69, 79), (300, 326))
TOOLS = (477, 499, 587, 596, 512, 473, 623, 677, 726, 740, 783, 784, 792, 491, 462, 517, 616, 695, 902, 418, 563, 749, 769, 798)
MEASURES = (426, 605, 590, 635, 769, 778, 798, 826, 845, 688, 685, 531, 530, 409, 892, 604)
MUSIC = (401, 402, 420, 432, 486, 494, 513, 541, 542, 546, 558, 566, 577, 579, 593, 594, 641, 642, 650, 683, 684, 687, 699, 776, 819, 822, 854, 875, 881, 889, 632, 754)
VEHICLES = (407, 408, 436, 444, 466, 468, 511, 547, 555, 565, 569, 573, 575, 586, 603, 609, 612, 627, 654, 656, 661, 665, 670, 671, 675, 690, 705, 717, 734, 751, 757, 779,
            802, 803, 817, 820, 829, 847, 864, 866, 867, 870, 874, 880, 895, 404, 405, 417)
KITCHEN = (412, 440, 441, 463, 469, 499, 503, 504, 505, 521, 532, 534, 544, 550, 567, 572, 618, 647, 651, 653, 659, 666, 720, 725, 729, 737, 738, 760, 766, 773, 804, 809, 813,
           827, 828, 849, 859, 868, 891, 896, 898, 899, 901, 907, 909, 910, 923, 968)
FURNITURE = (423, 431, 453, 493, 495, 516, 520, 526, 532, 548, 553, 559, 564, 648, 703, 721, 736, 750, 765, 789, 794, 831, 846, 857, 861, 894)
DEVICES = (481, 482, 485, 487, 508, 527, 528, 545, 589, 592, 606, 613, 620, 622, 662, 664, 673, 681, 688, 707, 713, 732, 742, 745, 753, 754, 759, 761, 782, 810, 811, 848, 851,
           878, 882, 886, 897)
CLOTHES = (399, 400, 411, 433, 439, 445, 451, 452, 457, 459, 465, 474, 501, 502, 514, 515, 518, 560, 568, 578, 601, 608, 610, 614, 615, 617, 638, 639, 652, 655, 658, 667, 689,
           697, 735, 770, 774, 775, 793, 796, 806, 808, 824, 834, 836, 837, 841, 842, 869, 887, 903, 906)
FOOD = ((924, 969), 935)
PLANTS = ((936, 957), 580, 738, (984, 998), 883, 958)
SPORT = (416, 422, 429, 430, 522, 543, 560, 574, 602, 701, 702, 722, 746, 747, 752, 768, 795, 802, 805, 842, 852, 890, 981, 983, 430, 671)
HILLS = (970, 972, 974, 976, 979, 980, 500, 821, 839, 888, 349, 350)
POWER = (525, 807, 716, 723, 517, 540, 755, 900, 733, 545, 753)
STONE = (500, 649, 682, 825, 832, 483, 873, 663, 668, 406, 442, 888)

SCENES: tuple[Scene, ...] = (
    _scene("water, river, lake, shore, waves, sea, surface of the water, current, wet", *WATER, *FISH, (143, 150)),
    _scene("boat, ship, sail, deck, harbour, mast, hull, vessel, sailors, crew", *BOATS, 536, 718, 460),
    _scene("building, architecture, facade, towers, windows, walls, roof, entrance, columns, construction", *BUILDINGS),
    _scene("temple, worship, religion, dome, arches, sacred place, pilgrims, minaret, spire, cathedral", *SACRED, 698, 873),
    _scene("castle, fortress, ruler, battlements, palace, court, defence, moat, king", 483, 698, 663, 471, 825, 668),
    _scene("monument, history, visitors, landmark, tourists, memorial, statue, heritage", *STONE, 698, 538, 863, 562, 708, 497),
    _scene("stone blocks, masonry, ruins, carved, ancient, weathered, desert, tomb, pyramid", *STONE, 970, 972),
    _scene("tower, height, skyline, steel, spire, tall, city, lattice, skyscraper", 682, 900, 437, 442, 517, 540, 668, 497, 733, 821, 839),
    _scene("bridge, span, arches, cables, crossing, piers", 821, 839, 888, 718),
    _scene("gate, arch, passage, ceremony, columns, doorway", 873, 884, 912, 698, 716, 799),
    _scene("lighthouse, windmill, blades, sails turning, wind, mill", 437, 723, 425, 540, 545, 900, 895),
    _scene("energy, electricity, power plant, turbine, panels, sunlight, roof panels, generate", *POWER, 606, 905, 904),
    _scene("dam, spillway, reservoir, flood, concrete wall, released water", 525, 562, 974, 460, 888),
    _scene("mountain, cliff, valley, rock, canyon, slope, landscape, peak, hillside, view", *HILLS),
    _scene("fish, fins, scales, tail, swimming, gills, aquarium, underwater, reef, stripes on its body", *FISH, 973, 983),
    _scene("bird, feathers, beak, wings, perched, plumage, nest, flock, flight", *BIRDS),
    _scene("hen, chicken, rooster, comb, farmyard, poultry, duck, goose", 7, 8, (97, 100), 83, 84),
    _scene("owl, night, big eyes, hunter, talons", 24, 21, 22, 23),
    _scene("parrot, colourful feathers, rainforest, beak, macaw", (87, 96), 11, 12, 14, 15),
    _scene("reptile, scales, lizard, cold-blooded, tail, basking, tongue, claws", *REPTILES),
    _scene("crocodile, jaws, teeth, riverbank, predator, armour", 49, 50, 48),
    _scene("animal, fur, wildlife, zoo, habitat, ears, paws, herd, graze, nose, legs, mother and young", *MAMMALS),
    _scene("dog, leash, breed, tongue, obedient, shepherd, pet, tail wagging", *DOGS),
    _scene("cat, kitten, whiskers, pet, playful, paw", *CATS),
    _scene("bear, white fur, ice, arctic, panda, bamboo", (294, 297), 388, 387),
    _scene("big cat, spots, predator, leopard, jaguar, stripes, lion, mane", (286, 293)),
    _scene("horse, hooves, mane, gallop, meadow, rider, pasture", 339, 340, 603, 690),
    _scene("cow, cattle, horns, grazing, bull, bison, farm, milk", (345, 347), 690, 351),
    _scene("sheep, wool, lambs, flock, goat, ram, fleece", (348, 350), 911, 231, 230, 232),
    _scene("pig, snout, mud, piglet, boar", (341, 343)),
    _scene("giraffe, long neck, antelope, deer, antlers, moose, savanna", (345, 355), 340),
    _scene("elephant, trunk, tusks, rhinoceros, hippopotamus, thick skin", 385, 386, 344, 101, 51),
    _scene("monkey, ape, branches, hands, lemur, primate, climbing", *APES),
    _scene("kangaroo, koala, pouch, marsupial, eucalyptus, Australia, joey", (102, 107)),
    _scene("rabbit, hedgehog, spines, squirrel, rodent, mouse, burrow", (330, 338), 102),
    _scene("whale, dolphin, seal, tusk, pod, ocean", (147, 150), 4),
    _scene("insect, butterfly, bee, spider, legs, web, wings, pollen, flower", *INSECTS, 599, 815),
    _scene("tool, handle, grip, metal head, workshop, repair, steel, blade, screw, craftsman", *TOOLS),
    _scene("hammer, nail, strike, wooden handle, mallet", 587, 677, 596, 783),
    _scene("knife, scissors, blades, cut, sharp, edge", 499, 623, 596, 473, 512, 680, 584),
    _scene("pliers, wrench, jaws, bolt, adjustable, tighten, screwdriver", 784, 783, 677, 477, 616, 512, 473, 740, 695),
    _scene("measure, scale, reading, units, display, digits, weight, length, tape", *MEASURES, 590, 754, 758, 848, 761),
    _scene("music, instrument, musicians, concert, strings, orchestra, play, tune, band, performance, singing, stage", *MUSIC),
    _scene("drums, rhythm, drumsticks, beat, drummers", 541, 542, 642, 822, 577),
    _scene("guitar, violin, bow, strings, fiddle, cello", 402, 420, 486, 546, 889, 456),
    _scene("vehicle, wheels, engine, road, driver, passengers, traffic, transport", *VEHICLES),
    _scene("train, rails, locomotive, carriages, station, track", 466, 547, 565, 705, 820, 829, 874),
    _scene("car, bumper, headlights, windscreen, parked, street", 436, 468, 479, 511, 581, 609, 627, 656, 661, 717, 751, 817),
    _scene("motorcycle, bicycle, pedals, saddle, handlebars, ride", 444, 665, 670, 671, 870, 880, 518),
    _scene("aircraft, wings, flight, runway, pilot, rocket, launch, sky, space", 403, 404, 405, 417, 657, 744, 812, 895, 908, 701),
    _scene("cup, plate, bowl, kitchen, table, cooking, pan, dishes, spoon, porcelain, saucer", *KITCHEN),
    _scene("coffee, tea, drink, foam, mug, beverage", 504, 505, 550, 849, 967, 968, 969, 960, 925, 441),
    _scene("bucket, pail, barrel, container, wooden staves, lid", 412, 427, 463, 653, 756, 876, 738, 519),
    _scene("chair, sofa, bed, cushion, room, furniture, wood, seat, pillow, interior", *FURNITURE, 905, 904),
    _scene("lamp, bulb, light, glow, filament, shade", 818, 846, 619, 607, 862, 470, 722, 971),
    _scene("pencil, pen, paper, writing, eraser, board, chalk, school, letters, draw", 418, 563, 749, 696, 709, 710, 767, 769, 549, 916, 918, 921, 446, 681),
    _scene("screen, keys, device, cable, computer, phone, buttons, electronics", *DEVICES),
    _scene("clothes, dress, costume, hat, fabric, wearing, uniform, embroidery, robes, shirt", *CLOTHES),
    _scene("people, person, man, woman, group, audience, crowd, child, performers, faces", *CLOTHES, *MUSIC, 981, 982, 983, 819, 762),
    _scene("food, fruit, slices, fresh, ripe, taste, meal, vegetables, juice, citrus", *FOOD),
    _scene("flower, petals, leaves, plant, garden, blossom, stem, green, trees, grass", *PLANTS, *INSECTS),
    _scene("ball, game, match, players, court, sport, net, sand, stitches", *SPORT),
    _scene("snow, ice, winter, cold, frozen, sled, igloo", 537, 795, 796, 802, 803, 915, 970, 279, 296, 250, 248, 450),
    _scene("sunset, horizon, clouds, beach, sand, coast, island, cliffs", 972, 976, 977, 978, 975, 979, 460, 437),
    _scene("shop, market, goods, shelves, customers", 415, 424, 454, 467, 509, 582, 788, 860, 865, 762, 790, 791),
    _scene("clock, hands, time, dial, numerals, hour", 409, 530, 531, 604, 826, 835, 892),
)

ASK = (
    "What is the {w} like?", "Why might there be {w} here?", "How does the {w} relate to the rest of the picture?", "What can be told from the {w}?",
    "Which details of the {w} stand out?", "What would change if the {w} were not there?", "Where is the {w}, and what is around it?",
    "What does the {w} suggest about this place?", "How would you describe the {w} and the {x}?", "Which role do the {w} and the {x} play here?",
    "What makes the {w} special?", "Considering the {w}, what could happen next?", "Is there a link between the {x} and the {w}?",
)
SAY = (
    "The {w} is the first thing one notices.", "There is {w}, and next to it {x}.", "It has {w} and {x}, seen from some distance.", "The {x} and the {w} belong together.",
    "One can see the {w} clearly, with {x} behind it.", "Because of the {w}, this is about {x}.", "The {w} shows signs of use, and the {x} is in good shape.",
    "That is typical of {w}: the {x} gives it away.", "Only part of the {w} is in the frame.", "The light falls on the {w} from the left.",
)
PLAIN = (
    "What is going on in the picture?", "What can be inferred from the background?", "What time of day could it be?", "How many can be counted?", "What colours are there?",
    "What is the mood of this scene?", "Which part is in focus?", "What should a visitor keep in mind?",
)
SAID = (
    "It is seen in daylight.", "The background is plain.", "The rest of the frame is hard to make out.", "Everything looks calm.", "The colours are strong.", "It fills most of the frame.",
)


@dataclass(frozen=True)
class SceneText:
    """A made text and the classes whose pictures it fits."""

    kind: Kind
    text: str
    classes: frozenset[int]


def scene_texts(*, of_each_class: int = 4, of_each_scene: int = 60, seed: int = 0) -> list[SceneText]:
    """Question sets and answers about every class and every scene, half of each kind. Deterministic for a seed."""
    chance = random.Random(seed)
    names = class_names()
    found: list[SceneText] = []
    for number, name in enumerate(names):
        words = [name, *(word for scene in SCENES if number in scene.classes and len(scene.classes) < 60 for word in scene.words[:2])]
        for place in range(of_each_class):
            found.append(_made("question" if place % 2 else "answer", (name, chance.choice(words)), frozenset({number}), chance))
    for scene in SCENES:
        for place in range(of_each_scene):
            found.append(_made("question" if place % 2 else "answer", tuple(chance.sample(scene.words, 2)), scene.classes, chance))
    return found


def _made(kind: Kind, words: tuple[str, ...], classes: frozenset[int], chance: random.Random) -> SceneText:
    first, second = words
    if kind == "question":
        lines = [chance.choice(ASK).format(w=first, x=second)]
        lines += chance.sample(PLAIN, chance.choice((0, 0, 1, 2)))
        chance.shuffle(lines)
        return SceneText(kind, question_text(lines), classes)
    asked = chance.choice(ASK).format(w=first, x=second) if chance.random() < 0.4 else chance.choice(PLAIN)
    lines = [chance.choice(SAY).format(w=first, x=second), *chance.sample(SAID, chance.choice((0, 1, 2)))]
    chance.shuffle(lines)
    return SceneText(kind, answer_text(asked, " ".join(lines)), classes)
